-- Every order of the board's revenue is an order of the experiment's, once, or belongs to nobody's
-- 14 days.  Fails if the metric model drops a user, counts an order twice, or means something
-- else by revenue.
with board as (
    select sum(revenue) as revenue, sum(refunds) as refunds from {{ ref('daily_revenue') }}
),

experiment as (
    select sum(revenue) as revenue, sum(refunds) as refunds from {{ ref('exp_metrics_checkout') }}
),

rest as (
    select coalesce(sum(revenue), 0) as revenue, coalesce(sum(refunds), 0) as refunds
    from {{ ref('fct_orders') }} as o
    where not exists (
        select
        from {{ ref('exp_exposures_checkout') }} as e
        where e.user_id = o.user_id
            and o.ordered_at >= e.exposed_at
            and o.ordered_at < e.exposed_at + interval '14 days'
    )
)

select board.revenue, experiment.revenue as experiment_revenue, rest.revenue as rest_revenue,
    board.refunds, experiment.refunds as experiment_refunds, rest.refunds as rest_refunds
from board, experiment, rest
where board.revenue is distinct from experiment.revenue + rest.revenue
    or board.refunds is distinct from experiment.refunds + rest.refunds
