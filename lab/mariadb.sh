# shellcheck shell=bash
# A MariaDB of our own: data, socket and port. Its root has no password, but only root reaches the socket's directory.

prepare_mariadb() {
  [ -f "$LAB/mariadb/ready" ] && return
  say "mariadb: new data directory"
  rm -rf "$LAB/mariadb"
  mkdir -p "$LAB/mariadb"
  chmod 700 "$LAB/mariadb"
  mariadb-install-db --no-defaults --user=root --datadir="$LAB/mariadb/data" --skip-test-db \
    --auth-root-authentication-method=normal >"$LOG/mariadb-install.out" 2>&1 || die "mariadb-install-db failed; see $LOG/mariadb-install.out"
  touch "$LAB/mariadb/ready"
}

# no-defaults: /etc/mysql is the machine's, not ours. Durability at power loss is not what this data is for.
launch_mariadb() {
  launch mariadb mariadbd --no-defaults --user=root --datadir="$LAB/mariadb/data" --socket="$LAB/mariadb/sock" \
    --pid-file="$LAB/mariadb/mariadbd.pid" --bind-address=127.0.0.1 --port="$(port_of mariadb)" --skip-name-resolve \
    --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=2 --performance-schema=off
}

sql() { mariadb --no-defaults --user=root --socket="$LAB/mariadb/sock" --batch --skip-column-names -e "$1"; }

# NAME: a database with a user and password of the same name
database() {
  sql "create database if not exists $1 character set utf8;
    grant all on $1.* to '$1'@'127.0.0.1' identified by '$1'"
}
database_url() { echo "mysql+pymysql://$1:$1@127.0.0.1:$(port_of mariadb)/$1"; }
