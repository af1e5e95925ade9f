{{ expstat.compare(ref('exp_moments_checkout'), checkout_metrics(), by='country', control='control') }}
