"""The real world: UDP and TCP on Trio, discovery, store, blobs, local API."""
