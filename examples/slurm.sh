#!/bin/bash
# Train on all GPUs of a Slurm job. In the Python environment that has inrgan:
#
#     sbatch examples/slurm.sh image --data photos.zip --preset base --run-dir runs/photos
#
# The arguments are those of `inrgan train`. All nodes must see the data and the run directory. Options of the job can
# be given to sbatch as well: sbatch --nodes 4 examples/slurm.sh ...
#
#SBATCH --job-name=inrgan
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@120
set -euo pipefail

processes=${PROCESSES:-${SLURM_GPUS_ON_NODE:-1}} # on each node, one for each GPU
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
port=$((20000 + SLURM_JOB_ID % 10000)) # jobs that share a node meet at ports of their own

threads=$((${SLURM_CPUS_PER_TASK:-$processes} / processes))
export OMP_NUM_THREADS=$((threads > 0 ? threads : 1))
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 # or restarts fail on several nodes: pytorch#135712

# One torchrun on each node; they meet at the first node, and each starts the processes of its own.
srun --kill-on-bad-exit torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "$processes" --max-restarts 3 \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d --rdzv-endpoint "${nodes%%$'\n'*}:$port" \
    -m inrgan train "$@"
