"""An etcd cluster, over its JSON gateway."""
