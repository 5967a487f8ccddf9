"""Edge: spans and metrics by OpenTelemetry, to Application Insights or to any collector. The only place that imports it."""
