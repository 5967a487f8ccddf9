"""Azure Resource Manager: one module a service, all behind `front`."""
