{#- A metric is said once, by one of these, and read by moments(), compare() and decide(). -#}

{% macro metric(method, columns, name=none, role='secondary', better='higher', margin=none, relative=false,
                weight=1, options={}) -%}
    {%- if role not in ('primary', 'secondary', 'guardrail') -%}
        {{ exceptions.raise_compiler_error("expstat: the role of a metric is 'primary', 'secondary' or 'guardrail', not " ~ role) }}
    {%- endif -%}
    {%- set columns = expstat.columns(columns) -%}
    {{ return({
        'name': name if name is not none else columns[0],
        'method': method, 'columns': columns, 'options': options,
        'role': role, 'better': better, 'margin': margin, 'relative': relative, 'weight': weight,
    }) }}
{%- endmacro %}

{% macro welch_t(column, name=none) -%}
    {{ return(expstat.metric('welch_t', [column], name or column, **kwargs)) }}
{%- endmacro %}

{#- Zeros and ones, and NULL where the column is; an integer or a share by mistake is an error of types. -#}
{% macro proportion_z(column, name=none) -%}
    {%- set zero_one = 'case when ' ~ column ~ ' then 1 when not (' ~ column ~ ') then 0 end' -%}
    {{ return(expstat.metric('proportion_z', [zero_one], name or column, **kwargs)) }}
{%- endmacro %}

{% macro delta_ratio(num, den, name=none) -%}
    {{ return(expstat.metric('delta_ratio', [num, den], name or num ~ ' / ' ~ den, **kwargs)) }}
{%- endmacro %}

{#- A unit whose covariate is missing counts, with 0 and an indicator, as in expstat's own aggregate. -#}
{% macro cuped_adjust(column, covariates, name=none) -%}
    {%- set columns = [column] -%}
    {%- for x in expstat.columns(covariates) -%}
        {%- do columns.extend(['coalesce(' ~ x ~ ', 0)', '((' ~ x ~ ') is null)::int']) -%}
    {%- endfor -%}
    {{ return(expstat.metric('cuped_adjust', columns, name or column, **kwargs)) }}
{%- endmacro %}

{#- Two metrics of one name would be merged. -#}
{% macro check_metrics(metrics) -%}
    {%- set names = metrics | map(attribute='name') | list -%}
    {%- if not names -%}
        {{ exceptions.raise_compiler_error('expstat: there are no metrics') }}
    {%- elif names | unique(case_sensitive=true) | list | length < names | length -%}
        {{ exceptions.raise_compiler_error('expstat: two metrics have the same name; give one a name of its own: ' ~ names | join(', ')) }}
    {%- endif -%}
{%- endmacro %}
