{#- The metrics of the experiment, said once: for the moments, the results and the decision. -#}
{% macro checkout_metrics() %}
    {{ return([
        expstat.cuped_adjust('revenue', covariates='revenue_before', role='primary'),
        expstat.proportion_z('converted'),
        expstat.delta_ratio('revenue', 'orders', name='revenue per order'),
        expstat.welch_t('refunds', role='guardrail', better='lower', margin=3),
    ]) }}
{% endmacro %}
