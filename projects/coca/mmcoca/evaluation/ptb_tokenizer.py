# Copyright (c) mmcoca authors. Licensed under the Apache License 2.0.
"""Penn Treebank tokenization of captions without Java.

The usual caption scores are computed on the tokens of Stanford's `PTBTokenizer` (CoreNLP 3.4.1),
which pycocoevalcap runs in Java with `-preserveLines -lowerCase` before it drops punctuation. The
rules below were found by experiments with that program and give the same tokens on real captions.

Two rules differ on purpose, where the Java program lets one caption change another's tokens: a line
separator inside a caption counts as a blank, and the period after a single letter at the end of a
caption ("the letter A.") ends the sentence, whatever the next caption begins with.

Known differences, all rare in captions: telephone numbers other than the North American form, web
addresses with unusual characters, uncommon HTML entities and text faces, curly apostrophes inside a
word before s, d, m or n ("cru’sh"), scripts and symbols that Unicode added late.
"""

import re
from collections.abc import Iterable

# Characters that form words. The Greek to Asian blocks leave out their main punctuation marks.
_LETTER = (
    'A-Za-z\u00aa\u00b5\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u0386\u0388-\u05bd'
    '\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7-\u05f2\u0615-\u061a\u0620-\u0669\u066e-\u06d3'
    '\u06d5-\u06ff\u070f-\u07f5\u0900-\u0963\u0966-\u0e3e\u0e40-\u0e4e\u0e50-\u1fbc\u1fbe-\u1fff'
    '\u3005-\u3007\u3031-\u3035\u3041-\u30fa\u30fc-\u31ff\u3400-\ud7ff\uf900-\ufdff'
    '\ufe70-\ufefc\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc'
)
_SYMBOL = (
    r'!-/:-@\[-`{-~\u00a1-\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7\u2013-\u2023'
    r'\u2026\u2030-\u203b\u203e-\u2044\u2070-\u208e\u20a0\u20a4\u20ac\u2100-\u214f'
    r'\u2153-\u215e\u2190-\u2bff\u3001\u3002\u3012\u30fb\uff01-\uff0f'
    r'\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffe6'
)

# These words keep their period: wherever they stand, only if capitalised, only before a number.
_ABBREVIATIONS = (
    'adj adm adv al ala alex apr ariz assn assoc asst attys? aug ave bancorp bhd bldg blvd brig '
    'bros calif capt cf cie cmdr co col colo conn corp cos cpl ct dak dec dept det drs? elec ens '
    'esq est etc ext feb fla fri ft ga gen govs? hon inc ind insp intl jan jos jr jul jun kans? '
    'ky lieut lt ltd maj mar md messrs mfg mich minn mlle mme mo mont? mrs? ms msgr mt mtg natl '
    'neb nev nov oct okla penn pfc plc pres profs? ptes? pty pvt rd reps? rev rt sens? sept? seq '
    'sfc sgt spc sq sr ste? supts? sys tel tenn thu thurs treas tues? univ va vs vt wed wisc? wm '
    'wyo'
).replace(' ', '|')
_CAPITALISED_ABBREVIATIONS = 'ark|az|del|ill|la|mass|miss|ore|pa|ph|tex|wash'
_NUMBER_ABBREVIATIONS = 'art|ca|figs?|nos?|op|pp|prop'
# The period after a single letter is not part of it before one of these or the caption's end.
_SENTENCE_STARTS = (
    'a about according additionally after an as at but earlier he her here however if in it last '
    'many more now once one other our she since so some such that the their then there these they '
    'this we what when while yet you'
).replace(' ', '|')

_ALNUM = f'[0-9{_LETTER}]'
_END = f'(?!{_ALNUM})'  # the end of a word
_CLITIC = f'(?i:ll|re|ve|[sdm]){_END}'
# A short prefix as in O'Neill, d'Art, L'Oreal.
_PREFIX = f"(?:[A-HJ-XZdlno]['’‘](?!{_CLITIC})(?=[{_LETTER}]{_ALNUM}))?"
_WORD = rf'{_PREFIX}{_ALNUM}+(?:[.,](?=-{_ALNUM}))?(?:(?:_|[-‐‑]{_PREFIX}){_ALNUM}+)*'
_SLASHABLE = '[A-Za-z0-9]+(?:-[A-Za-z]+)*'

# The kinds of token; the first one that matches wins, so the longer forms stand first.
_TOKEN = re.compile(
    rf"""
    # plain lower-case words: the bulk of all captions, so tried first
      [a-z]+(?=[ ]|,(?!-)|$)
    # markup, web and mail addresses, user names, hash tags
    | </?[A-Za-z][\w.:@-]*(?:[ ]+[A-Za-z][\w.:-]*(?:="[^"]*"|='[^']*')?)*[ ]?/?>
    | <[!?][^<>]+>
    | (?i:https?)://[^\s<>"|()]+[^\s<>"|().,!?-]
    | www\.[\w-]+(?:\.[\w-]+)*(?:/[^\s<>"|()]+[^\s<>"|().,!?-])?
    | [A-Za-z]\w*(?:\.[A-Za-z]\w*)*\.(?:com|net|org|edu)/[^\s<>"|()]+[^\s<>"|().,!?-]
    | [A-Za-z0-9][\w.-]*@[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?
    | @[A-Za-z_]\w*
    | \#[{_LETTER}]+
    # text faces
    | >?[:;=][-'o]?[()\[\]DPpO@]{_END}
    | -_-|\^_\^|[<>]_[<>]
    # telephone numbers and mixed fractions, with their blanks
    | \([0-9]{{3}}\)[ \xa0]?[0-9]{{3}}[- \xa0]?[0-9]{{3,4}}
    | [0-9]{{3}}[ \xa0][0-9]{{3}}[ \xa0][0-9]{{4}}{_END}
    | [0-9]{{1,4}}[- \xa0][0-9]{{1,4}}/[0-9]{{1,4}}(?![0-9])
    # nested curly quotes
    | [‘’“”«»‹›]{{2,}}
    # contractions and other words with apostrophes
    | [A-Za-z]*[A-MO-Za-mo-z](?=[nN]['’‘`][tT])
    | [nN]['’‘`][tT]{_END}
    | ['’](?:{_CLITIC}|(?i:n['’]|n{_END}|em|cause|till?))
    | '[tT](?=(?i:is|was))
    | ['’][0-9]{{2}}(?:s{_END}|(?=\s|$))
    | (?i:s['’]mores|(?:cap['’]n|li['’]l|nat['’]l){_END}|(?:ol|dunkin|somethin)['’])
    | [A-Za-z]+[AEIOUYaeiouy]['’‘](?!{_CLITIC}|[nN]{_END})[aeiouA-Z][A-Za-z]*
    | [Oo]['’‘][Oo]{_END}
    | (?:[YyJj]|[DdLl](?=['’][{_LETTER}]{_END}))['’](?!{_CLITIC})(?=[{_LETTER}])
    # names with symbols
    | [A-Z]+(?:[&+][A-Z]+)+
    | [A-Z]+\$
    | [Cc]\+\+|[CcFf]\#
    # acronyms and abbreviations
    | (?:{_ALNUM}+-)*[A-Za-z](?:\.[A-Za-z])+\.{_END}(?:-{_ALNUM}+)*
    | (?i:ph\.d)\.
    | [{_LETTER}]{_ALNUM}*(?:[.!?][{_LETTER}]{_ALNUM}*)+(?:-{_ALNUM}+)*
    | (?:(?i:{_ABBREVIATIONS})|(?=[A-Z])(?i:{_CAPITALISED_ABBREVIATIONS}))\.(?:-{_ALNUM}+)*
    | (?i:{_NUMBER_ABBREVIATIONS})\.(?=\s*[0-9])
    | [A-Za-z]\.(?!\s*$|\s+(?=[A-Z])(?i:{_SENTENCE_STARTS}){_END})(?:-{_ALNUM}+)*
    | {_WORD}\.(?=[,;:])
    # numbers and other words
    | [0-9]+(?:[.,:][0-9]+)+(?:-{_ALNUM}+)*
    | {_SLASHABLE}(?:/{_SLASHABLE}){{1,2}}
    | {_WORD}
    # runs of punctuation, signed numbers, single symbols
    | -{{2,}}|\.{{3,}}|[!?]{{2,}}|\*+|\#+|_+|@+|<<|>>
    | [-+]?[.,:]?[0-9]+(?:[.,:][0-9]+)*
    | &(?:lt|gt|mdash|ndash|\#[0-9]+);
    | [{_SYMBOL}]
    """,
    re.VERBOSE,
)

_DROPPED = [*'.?!,:;-\'"`“”«»‘’‹›‛–—―…', '``', "''", '--', '---', '----', '&mdash;', '&ndash;']
_REWRITTEN = {
    **dict.fromkeys(_DROPPED, ''),
    **{'(': '-lrb-', ')': '-rrb-', '[': '-lsb-', ']': '-rsb-', '{': '-lcb-', '}': '-rcb-'},
    **{'£': '#', '€': '$', '¤': '$', '₠': '$', '¢': 'cents'},
    **{'¼': '1/4', '½': '1/2', '¾': '3/4', '⅓': '1/3', '⅔': '2/3'},
    **{'&lt;': '<', '&gt;': '>'},
    **{'cannot': 'can not', 'gonna': 'gon na', 'gotta': 'got ta', 'wanna': 'wan na'},
    **{'lemme': 'lem me', 'gimme': 'gim me', 'n’t': "n't", 'n‘t': 'n`t'},
    **{f'’{ending}': f"'{ending}"
       for ending in ('s', 'd', 'm', 'll', 're', 've')},
}
# Named characters that stand for themselves; a soft hyphen vanishes.
_ENTITIES = {'&amp;': '&', '&quot;': '"', '&apos;': "'", '&nbsp;': ' ', '\xad': ''}
_ENTITY = re.compile('|'.join(_ENTITIES))
# Inside telephone numbers, text faces and markup.
_INNER = str.maketrans({'(': '-lrb-', ')': '-rrb-', ' ': '\xa0'})
_NESTED_QUOTES = str.maketrans(
    dict(zip('“”«»‘’‹›', ('``', "''", '``', "''", *"`'`'"), strict=True))
)


def _rewrite(token: str) -> str:
    """Token as the Java program prints it; '' if it is a dropped punctuation mark."""
    token = token.lower()
    if token not in _REWRITTEN and not token.isalnum():
        quotes = token.translate(_NESTED_QUOTES)
        if not quotes.strip("`'"):
            token = quotes
        elif not token.strip('.'):
            token = ''
        else:
            token = token.translate(_INNER)
    return _REWRITTEN.get(token, token)


def tokenize_captions(captions: Iterable[str]) -> list[str]:
    """Lower-case Penn Treebank tokens of each caption, without punctuation, joined with blanks.

    This is the form that pycocoevalcap's scorers take: `"A man's dog, isn't it?"` becomes
    `"a man 's dog is n't it"`. A caption without any token becomes `''`.
    """
    tokenized = []
    for caption in captions:
        caption = _ENTITY.sub(lambda match: _ENTITIES[match[0]], caption)
        tokenized.append(' '.join(filter(None, map(_rewrite, _TOKEN.findall(caption)))))
    return tokenized
