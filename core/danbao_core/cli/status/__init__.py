"""`danbao status`: what a running core is at, looked at again and again."""
