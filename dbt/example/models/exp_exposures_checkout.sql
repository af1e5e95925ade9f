{{ expstat.first_exposures(source('raw', 'exposures'), unit='user_id',
                           starts='2026-03-07 00:00Z', ends='2026-03-21 00:00Z') }}
