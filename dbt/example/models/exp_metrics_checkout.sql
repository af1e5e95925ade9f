-- One row per exposed user.  An order counts for the 14 days after the first exposure.  A user
-- without orders has 0; a user who was not there 28 days before has no past, which is NULL.
select
    e.user_id,
    e.variant,
    u.country,
    (e.exposed_at at time zone 'UTC')::date as exposed_on,
    count(o.order_id) filter (where o.ordered_at >= e.exposed_at) as orders,
    count(o.order_id) filter (where o.ordered_at >= e.exposed_at) > 0 as converted,
    coalesce(sum(o.revenue) filter (where o.ordered_at >= e.exposed_at), 0) as revenue,
    coalesce(sum(o.refunds) filter (where o.ordered_at >= e.exposed_at), 0) as refunds,
    case when u.signed_up_at <= e.exposed_at - interval '28 days'
        then coalesce(sum(o.revenue) filter (where o.ordered_at < e.exposed_at), 0) end as revenue_before
from {{ ref('exp_exposures_checkout') }} as e
left join {{ source('raw', 'users') }} as u on u.user_id = e.user_id
left join {{ ref('fct_orders') }} as o
    on o.user_id = e.user_id
    and o.ordered_at >= e.exposed_at - interval '28 days'
    and o.ordered_at < e.exposed_at + interval '14 days'
group by e.user_id, e.variant, e.exposed_at, u.country, u.signed_up_at
