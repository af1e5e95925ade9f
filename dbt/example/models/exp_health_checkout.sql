{{ expstat.exposure_health(source('raw', 'exposures'), unit='user_id', variants=['control', 'treatment'],
                           options={'salt': 'checkout',
                                    'starts': '2026-03-07 00:00Z', 'ends': '2026-03-21 00:00Z'}) }}
