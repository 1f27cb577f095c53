"""The wire: one interceptor, one place that translates, and a thin class per service."""
