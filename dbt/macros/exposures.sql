{% macro first_exposures(relation, unit, variant='variant', exposed_at='exposed_at', segments=[],
                         starts=none, ends=none, crossovers='drop') -%}
{%- if crossovers not in ('drop', 'keep_first') -%}
    {{ exceptions.raise_compiler_error("first_exposures: crossovers must be 'drop' or 'keep_first', not " ~ crossovers) }}
{%- endif -%}
{%- set segments = expstat.columns(segments) -%}
select
    u.{{ unit }},
    (u.first_exposure).variant,
    (u.first_exposure).exposed_at,
    {%- for segment in segments %}
    (u.first_exposure).segments[{{ loop.index }}] as {{ segment }},
    {%- endfor %}
    (u.first_exposure).exposures,
    (u.first_exposure).crossover
from (
    select
        {{ unit }},
        {{ expstat.sql_name('first_exposure') }}(
            ({{ variant }})::text,
            ({{ exposed_at }})::timestamptz
            {%- if segments %},
            array[{% for segment in segments %}({{ segment }})::text{{ ', ' if not loop.last }}{% endfor %}]
            {%- endif %}
        ) as first_exposure
    from {{ relation }}
    where {{ unit }} is not null
        {%- if starts is not none %}
        and ({{ exposed_at }})::timestamptz >= {{ expstat.literal(starts) }}::timestamptz
        {%- endif %}
        {%- if ends is not none %}
        and ({{ exposed_at }})::timestamptz < {{ expstat.literal(ends) }}::timestamptz
        {%- endif %}
    group by {{ unit }}
) as u
where (u.first_exposure).variant is not null
    {%- if crossovers == 'drop' %}
    and not (u.first_exposure).crossover
    {%- endif %}
{%- endmacro %}

{% macro exposure_health(relation, unit, variants, variant='variant', exposed_at='exposed_at', options={}) -%}
select h.*
from {{ expstat.sql_name('exposure_health') }}(
    {{ expstat.literal(relation | string) }}::regclass,
    {{ expstat.literal(unit) }}, {{ expstat.literal(variant) }}, {{ expstat.literal(exposed_at) }},
    {{ expstat.literal(variants) }}
    {{- expstat.named_arguments(options) }}
) as h
{%- endmacro %}

{% macro srm(relation, weights, variant='variant', by=[]) -%}
{%- set by = expstat.columns(by) -%}
select
    {%- for column in by %}
    g.{{ column }},
    {%- endfor %}
    (g.srm).*
from (
    select
        {%- for column in by %}
        {{ column }},
        {%- endfor %}
        {{ expstat.sql_name('srm') }}(({{ variant }})::text, {{ expstat.literal(weights) }}::jsonb) as srm
    from {{ relation }}
    {{ expstat.group_by(by) }}
) as g
{%- endmacro %}
