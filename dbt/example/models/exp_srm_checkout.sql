{{ expstat.srm(ref('exp_exposures_checkout'), weights={'control': 1, 'treatment': 1}) }}
