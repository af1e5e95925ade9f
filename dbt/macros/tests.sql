{% test srm_ok(model, column_name, weights, alpha=0.001) %}
select s.*
from ({{ expstat.srm(model, weights, column_name) }}) as s
where s.p_value < {{ expstat.literal(alpha) }}
{% endtest %}

{% test one_exposure_per_unit(model, column_name, by=[]) %}
{%- set keys = expstat.columns(by) + [column_name] %}
select {{ keys | join(', ') }}, count(*) as exposures
from {{ model }}
where {{ column_name }} is not null
group by {{ keys | join(', ') }}
having count(*) > 1
{% endtest %}

{% test no_crossover(model, column_name, variant='variant', by=[]) %}
{%- set keys = expstat.columns(by) + [column_name] %}
select {{ keys | join(', ') }}, array_agg(distinct ({{ variant }})::text) as variants
from {{ model }}
where {{ column_name }} is not null
group by {{ keys | join(', ') }}
having count(distinct ({{ variant }})::text) > 1
{% endtest %}
