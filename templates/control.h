{{ header }}
#ifndef {{ prefix }}_CONTROL_H
#define {{ prefix }}_CONTROL_H
{% for r in control.registers %}
// {{ r.description }}
#define {{ prefix }}_{{ r.name }} {{ "{:#04x}"|format(r.offset) }}u
{%- if let Some(value) = r.value %}
#define {{ prefix }}_{{ r.name }}_VALUE {{ "{:#010x}"|format(value) }}u
{%- endif %}
{%- for f in r.fields %}
#define {{ prefix }}_{{ r.name }}_{{ f.name }} {{ "{:#x}"|format(f.mask()) }}u  // {{ f.description }}
{%- endfor %}
{%- endfor %}
{%- if let Some(table) = control.table %}

// The first word of the table that parameters are loaded from; the words after it follow.
#define {{ prefix }}_TABLE {{ "{:#04x}"|format(table.offset) }}u
{%- endif %}

#endif
