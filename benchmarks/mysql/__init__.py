"""What watching a MySQL or MariaDB server costs."""
