#!/usr/bin/env bash
# Check of this checkout on a GPU in 14 minutes, without a network: tests, speed, and a training with its sheets.
# Writes check.json and PNG files, under 16 MiB in all, into ${OUT:-gpu-check}. See check.py for what it measures.
#
#     bash benchmarks/gpu/check.sh                        # on the built-in data, fp32
#     bash benchmarks/gpu/check.sh --data photos.zip --precision bf16
#     bash benchmarks/gpu/check.sh --tiny --device cpu    # the same in a minute, to try it
#
# Where a command may run for ten minutes only, two commands share one OUT, and the second one adds to check.json:
#
#     bash benchmarks/gpu/check.sh --minutes 6 --parts tests,speed
#     bash benchmarks/gpu/check.sh --minutes 8 --parts training
#
# The machine needs Python 3.10 or newer with torch (CUDA), numpy, einops, pillow and pytest; torchaudio for audio. What
# else inrgan needs can be carried as wheels. Fill a folder on a machine with a network and the same Python version:
#
#     pip download --no-deps --only-binary :all: --python-version 3.12 --dest wheels jaxtyping wadler-lindig beartype \
#         safetensors huggingface-hub filelock tqdm pytest iniconfig pluggy packaging pygments pytest-xdist execnet \
#         soundfile cffi pycparser trimesh libigl scikit-image scipy fast-simplification av
#
# and set WHEELS=wheels: they are installed into a temporary folder ahead of everything else, torch and numpy never.
# A folder that PYTHONPATH already names works as well. The largest ones can stay away: scipy (3D shapes), av (previews of
# videos). A modality whose library is missing is skipped, with the reason. INRGAN_COMMIT names the commit where there is
# no repository.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3}
out=${OUT:-gpu-check}
export PYTHONPATH="$root:$root/modalities${PYTHONPATH:+:$PYTHONPATH}" GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}

if [ -n "${WHEELS:-}" ]; then
  packages=$(mktemp -d)
  trap 'rm -rf "$packages"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --target "$packages" "$WHEELS"/*.whl
  export PYTHONPATH="$PYTHONPATH:$packages"
fi
"$python" "$root/benchmarks/gpu/check.py" --out "$out" "$@"
