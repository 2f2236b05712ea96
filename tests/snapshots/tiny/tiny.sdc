# tiny.sdc: constraints for Quartus of the network tiny.
# Written by strassenc 0.1.0 from the model with SHA-256
# 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
#
# For the core alone: a clock of 200 MHz. In a design of yours the clock comes from
# there, and this file stays out. Not tried: no Quartus was at hand.
create_clock -name aclk -period 5.000 [get_ports aclk]
derive_clock_uncertainty
