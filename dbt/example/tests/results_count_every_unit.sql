-- Every metric is compared for every treatment, over every exposed user.  Fails if users are lost
-- between exposure and result: a NULL metric, an inner join, a cohort that was never computed.
with units as (
    select variant, count(*) as n from {{ ref('exp_exposures_checkout') }} group by variant
)

select m.name as metric, t.variant, t.n, r.n as n_result, r.n_control as n_control_result
from (
    values {% for metric in checkout_metrics() %}('{{ metric.name }}'){{ ', ' if not loop.last }}{% endfor %}
) as m (name)
cross join (select * from units where variant <> 'control') as t
left join {{ ref('exp_results_checkout') }} as r on r.metric = m.name and r.variant = t.variant
where r.n is distinct from t.n
    or r.n_control is distinct from (select n from units where variant = 'control')
