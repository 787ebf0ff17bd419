#!/usr/bin/env bash
# Evaluate as a job of SLURM, a process a GPU.
set -euo pipefail

if [[ $# -lt 4 ]]; then
    cat >&2 <<'USAGE'
usage: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]

Variables:
  GPUS           processes in all (8)
  GPUS_PER_NODE  processes a machine, no more than GPUS (8)
  CPUS_PER_TASK  cores a process, for its loading workers too (5)
  PORT           a free port of the first machine (29500)
  SRUN_ARGS      further options of srun, such as --quotatype=spot

example: GPUS=4 tools/slurm_test.sh gpu coca_base configs/coca/coca_base.py work_dirs/coca_base
USAGE
    exit 2
fi
partition=$1 job_name=$2 config=$3 checkpoint=$4
shift 4
tools=$(dirname "$0")
gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
((gpus_per_node <= gpus)) || gpus_per_node=$gpus
export MASTER_PORT=${PORT:-29500}

# shellcheck disable=SC2086  # SRUN_ARGS are several words
exec srun --partition "$partition" --job-name "$job_name" \
    --ntasks "$gpus" --ntasks-per-node "$gpus_per_node" --gres "gpu:$gpus_per_node" \
    --cpus-per-task "${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    python -u "$tools/test.py" "$config" "$checkpoint" --launcher slurm "$@"
