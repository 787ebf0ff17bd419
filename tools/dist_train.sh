#!/usr/bin/env bash
# Train in several processes, on one machine or on several at once.
set -euo pipefail

if [[ $# -lt 2 || ! $2 =~ ^[1-9][0-9]*$ ]]; then
    cat >&2 <<'USAGE'
usage: tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]

PROCESSES: how many on this machine, one a GPU, or on the cores where there is none.
Several machines run the same line, with these variables set:
  NNODES       how many machines (1)
  NODE_RANK    which of them this is, from 0 (0)
  MASTER_ADDR  address of machine 0 (127.0.0.1)
  PORT         a free port of machine 0 (29500)

example: tools/dist_train.sh configs/coca/coca_base.py 8 --work-dir work_dirs/base
         NNODES=2 NODE_RANK=1 MASTER_ADDR=10.0.0.4 tools/dist_train.sh configs/coca/coca_base.py 8
USAGE
    exit 2
fi
config=$1 processes=$2
shift 2
tools=$(dirname "$0")

# torchrun would give each process one thread.
threads=$(($(nproc) / processes))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads > 0 ? threads : 1))}

exec python -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}" --nproc-per-node "$processes" \
    --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}" \
    "$tools/train.py" "$config" --launcher pytorch "$@"
