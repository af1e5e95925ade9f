-- A cohort is the users first exposed on one day, so that no user is in two, and it merges with the
-- others exactly.  It is complete when the 14 days of its last user are over, and a day more for
-- orders that arrive late; until then every run computes it again, and after that none does.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['exposed_on'],
) }}

with units as (
    select *
    from {{ ref('exp_metrics_checkout') }}
    {% if is_incremental() %}
    where exposed_on not in (select exposed_on from {{ this }} where complete)
    {% endif %}
)

select
    s.*,
    s.exposed_on + 16 <= (select max(ordered_on) from {{ ref('fct_orders') }}) as complete
from (
    {{ expstat.moments('units', checkout_metrics(), by=['exposed_on', 'country']) }}
) as s
