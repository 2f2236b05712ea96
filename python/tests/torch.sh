#!/bin/sh
# Installs PyTorch (5.5 GB) with the package into an environment, and runs the tests that need it.
#
#     sh python/tests/torch.sh [ENVIRONMENT]              by default target/torch
set -eu
cd "$(dirname "$0")/../.."
environment="${1:-target/torch}"
if [ ! -x "$environment/bin/python" ]; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install --quiet torch==2.15.0 numpy==2.4.6 scikit-learn==1.9.1 \
        pytest==9.2.0 mypy==2.4.1
fi
"$environment/bin/pip" install --quiet .
"$environment/bin/python" -B -m pytest -q -p no:cacheprovider python/tests
"$environment/bin/python" -B -m mypy --cache-dir="$environment/mypy" python/strassenc \
    python/tests examples/python examples/imagenet
python="$(cd "$environment/bin" && pwd)/python" example="$PWD/examples/python/digits.py"
cd "$(mktemp -d)" && "$python" "$example"
