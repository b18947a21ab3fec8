"""What every context may use: errors, time, money, configuration, redaction, progress, output, report tokens."""
