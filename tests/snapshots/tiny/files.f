strassenc_stream_register.v
strassenc_collector.v
strassenc_serialiser.v
strassenc_coefficient.v
strassenc_multiplier.v
tiny_hidden.v
tiny_scores.v
tiny.v
