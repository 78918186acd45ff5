"""The pages, one file each: functions of a visit that gather values for a template; ``ROUTES`` lists them."""
