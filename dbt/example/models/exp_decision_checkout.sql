{{ expstat.decide(ref('exp_results_checkout'), checkout_metrics(), srm=ref('exp_srm_checkout'),
                  options={'planned_n': 1400}) }}
