{% macro moments(relation, metrics, variant='variant', by=[]) -%}
{%- do expstat.check_metrics(metrics) -%}
{%- set by = expstat.columns(by) -%}
select
    {%- for column in by %}
    g.{{ column }},
    {%- endfor %}
    s.metric,
    s.m
from (
    select
        {%- for column in by %}
        {{ column }},
        {%- endfor %}
        {%- for metric in metrics %}
        {{ expstat.sql_name('moments_agg') }}(
            array[{% for column in metric.columns %}({{ column }})::float8{{ ', ' if not loop.last }}{% endfor %}],
            ({{ variant }})::text
        ) as moments_{{ loop.index }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
    {{ expstat.group_by(by) }}
) as g
cross join lateral (
    values
    {%- for metric in metrics %}
        ({{ expstat.literal(metric.name) }}::text, g.moments_{{ loop.index }}){{ ',' if not loop.last }}
    {%- endfor %}
) as s (metric, m)
{%- endmacro %}

{% macro compare(moments, metrics, by=[], control=none, alpha=0.05, correction='holm') -%}
{%- do expstat.check_metrics(metrics) -%}
{%- set by = expstat.columns(by) -%}
select
    c.*,
    {#- guardrails are not corrected for their number: all of them must hold #}
    case when c.role <> 'guardrail' then
        {{ expstat.sql_name('p_adjust') }}(
            case when c.role <> 'guardrail' then c.p_value end, {{ expstat.literal(correction) }}
        ) over ()
    end as p_adjusted
from (
    {%- for metric in metrics %}
    select
        {%- for column in by %}
        s.{{ column }},
        {%- endfor %}
        s.metric,
        {{ expstat.literal(metric.role) }}::text as role,
        r.*
    from (
        select
            {%- for column in by %}
            {{ column }},
            {%- endfor %}
            metric,
            {{ expstat.sql_name('moments_agg') }}(m) as m
        from {{ moments }}
        where metric = {{ expstat.literal(metric.name) }}
        group by {{ (by + ['metric']) | join(', ') }}
    ) as s
    cross join lateral {{ expstat.sql_name(metric.method) }}(s.m
        {{- expstat.named_arguments(dict({'control': control, 'alpha': alpha}, **metric.options)) }}) as r
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
) as c
{%- endmacro %}

{% macro decide(results, metrics, srm=none, by=[], options={}) -%}
{%- do expstat.check_metrics(metrics) -%}
{%- set by = expstat.columns(by) -%}
{%- set keys = [] -%}
{%- for column in by -%}{%- do keys.append('v.' ~ column) -%}{%- endfor -%}
select
    {%- for column in by %}
    a.{{ column }},
    {%- endfor %}
    d.*
from (
    {#- Every metric of every variant: one that has no result counts as one without units, so that a
        guardrail cannot be lost on the way. #}
    select
        {%- for key in keys %}
        {{ key }},
        {%- endfor %}
        array_agg({{ expstat.sql_name('metric_result') }}(
            k.metric, k.role,
            row(
                v.variant, coalesce(r.control, v.control), coalesce(r.n, 0), coalesce(r.n_control, 0),
                r.estimate, r.estimate_control, r.diff, r.std_error, r.statistic, r.df, r.p_value,
                r.diff_low, r.diff_high, r.lift, r.lift_low, r.lift_high, r.alpha,
                coalesce(r.method, 'no result')
            )::{{ expstat.sql_name('comparison') }},
            k.better, k.margin, k.relative, k.weight
        ) order by k.place) as results
    from (
        values
        {%- for metric in metrics %}
            ({{ loop.index }}, {{ expstat.literal(metric.name) }}::text, {{ expstat.literal(metric.role) }}::text,
             {{ expstat.literal(metric.better) }}::text, {{ expstat.literal(metric.margin) }}::float8,
             {{ expstat.literal(metric.relative) }}::boolean, {{ expstat.literal(metric.weight) }}::float8)
             {{- ',' if not loop.last }}
        {%- endfor %}
    ) as k (place, metric, role, better, margin, relative, weight)
    cross join (
        select distinct {% for column in by %}{{ column }}, {% endfor %}variant, control from {{ results }}
    ) as v
    left join {{ results }} as r
        on r.metric = k.metric
        and r.variant is not distinct from v.variant
        and r.control is not distinct from v.control
        {%- for column in by %}
        and r.{{ column }} is not distinct from v.{{ column }}
        {%- endfor %}
    {{ expstat.group_by(keys) }}
) as a
cross join lateral {{ expstat.sql_name('decide') }}(
    a.results
    {%- if srm is not none %}, srm_p_value => (select min(p_value) from {{ srm }}){% endif %}
    {{- expstat.named_arguments(options) }}
) as d
{%- endmacro %}
