#!/bin/sh
# Lets this machine join the hub at @HUB_URL@.
{
    echo "distilbench: this hub's join script is not built yet (@HUB_URL@ @PIN@ @DEVICE@)" >&2
    exit 1
}
