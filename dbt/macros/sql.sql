{#- What the other macros write SQL with.  Documented in macros.yml, as all of them. -#}

{% macro sql_name(name) -%}
    "{{ var('expstat_schema', 'public') | replace('"', '""') }}".{{ name }}
{%- endmacro %}

{% macro literal(value) -%}
    {%- if value is none -%}
        null
    {%- elif value is boolean -%}
        {{ 'true' if value else 'false' }}
    {%- elif value is number -%}
        {{ value }}
    {%- elif value is string -%}
        '{{ value | replace("'", "''") }}'
    {%- elif value is mapping -%}
        {{ expstat.literal(tojson(value)) }}
    {%- elif value | length == 0 -%}
        '{}'
    {%- else -%}
        array[{% for v in value %}{{ expstat.literal(v) }}{{ ', ' if not loop.last }}{% endfor %}]
    {%- endif -%}
{%- endmacro %}

{#- ", alpha => 0.1, lift_method => 'log'" -#}
{% macro named_arguments(options) -%}
    {%- for name, value in options.items() %}, {{ name }} => {{ expstat.literal(value) }}{% endfor -%}
{%- endmacro %}

{#- A list of columns, which may also be a single name. -#}
{% macro columns(names) -%}
    {{ return([names] if names is string else names) }}
{%- endmacro %}

{#- "group by country, day", or nothing. -#}
{% macro group_by(names) -%}
    {%- if names %}group by {{ names | join(', ') }}{% endif -%}
{%- endmacro %}
