"""What systemd makes of its unit files: loading, enablement, environment and command lines of services."""
