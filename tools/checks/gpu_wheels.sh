#!/usr/bin/env bash
# Fill a folder with the wheels that tools/checks/gpu.py installs on a machine without a network:
# ours, and the third-party packages that an image with PyTorch and Lightning lacks.
#
#     tools/checks/gpu_wheels.sh [FOLDER]     # default: .wheels
#
# For Linux on x86-64 and Python 3.12; fails if the folder would hold more than 60 MB.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-.wheels}
limit=$((60 * 1024 * 1024))
uv=$(command -v uv || echo .tools/bin/uv)

rm -rf "$folder"
mkdir -p "$folder"
"$uv" build --quiet --wheel --all-packages --out-dir "$folder"
rm -f "$folder/.gitignore"

platforms=()
for version in 2_17 2_24 2_27 2_28 2_31 2_34; do
    platforms+=(--platform "manylinux_${version}_x86_64")
done
platforms+=(--platform manylinux2014_x86_64)
"$uv" tool run --quiet pip download --quiet --no-deps --only-binary=:all: --dest "$folder" \
    --python-version 3.12 --implementation cp "${platforms[@]}" \
    "av>=18,<19" "beartype>=0.20" "omegaconf>=2.4,<3" "pytest-timeout>=2.3" "torchcodec>=0.13,<0.19"

size=$(du -sb "$folder" | cut -f 1)
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels, $((size / 1024 / 1024)) MiB"
if [ "$size" -gt "$limit" ]; then
    echo "more than $((limit / 1024 / 1024)) MiB" >&2
    exit 1
fi
