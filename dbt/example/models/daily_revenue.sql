select
    ordered_on,
    count(*) as orders,
    sum(revenue) as revenue,
    sum(refunds) as refunds
from {{ ref('fct_orders') }}
group by ordered_on
