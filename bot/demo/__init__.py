"""A real cluster to break and repair: etcd under supervisord on this machine, with faults to inject."""
