# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""The site: sphinx-build -W docs build/site, with the extra `docs`."""

import mmcoca

project = 'mmcoca'
author = 'mmcoca authors'
copyright = 'mmcoca authors'
version = release = mmcoca.__version__

extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx.ext.viewcode']
html_theme = 'furo'
html_title = 'mmcoca'
myst_heading_anchors = 3
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
autodoc_default_options = {'members': True, 'show-inheritance': True}
# Of what other projects' classes bring along nothing is shown.
autodoc_inherit_docstrings = False
# Notebooks are executed where they lie; one that fails is a warning, and so an error.
nb_execution_mode = 'cache'
nb_execution_timeout = 1800  # seconds a cell, on a machine with other work too
nb_execution_raise_on_error = True
nb_output_stderr = 'remove'  # progress bars and others' warnings
