-- What an order is worth is said here, for the board and for every experiment.
select
    order_id,
    user_id,
    ordered_at,
    (ordered_at at time zone 'UTC')::date as ordered_on,
    case status when 'complete' then amount else 0 end as revenue,
    case status when 'refunded' then amount else 0 end as refunds
from {{ source('raw', 'orders') }}
where status <> 'cancelled'
