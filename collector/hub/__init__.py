"""The hub: one folder and one process with everything that a fleet of boards needs on a workstation.

It has a certificate authority, a Mosquitto, a collector, and one HTTPS service that lets boards join. It
measures nothing and changes no result: whoever runs a broker and `collector serve` needs no hub.
"""
