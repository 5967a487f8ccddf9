"""The local stack: storage emulator, function app, Azure ML simulator and the sample endpoint, as one."""
