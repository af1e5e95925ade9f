{{ expstat.compare(ref('exp_moments_checkout'), checkout_metrics(), control='control') }}
