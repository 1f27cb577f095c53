-- The logins of a live core, made once with the database, by psql as its superuser. The passwords come from the environment.
--
-- Servers work in the role danbao_server, which `danbao migrate` grants what it needs of each table. It is made here, so that
-- nobody but the superuser has to be able to make roles; danbao_app, the login of servers and workers, is a member of it and
-- has no rights of its own. danbao_backup copies the whole cluster (backup.sh), and can change nothing of it.
\set ON_ERROR_STOP on
\getenv owner_password DB_OWNER_PASSWORD
\getenv app_password DB_APP_PASSWORD
\getenv backup_password DB_BACKUP_PASSWORD

CREATE ROLE danbao_server NOLOGIN;
CREATE ROLE danbao_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE danbao_app LOGIN PASSWORD :'app_password' IN ROLE danbao_server;
CREATE ROLE danbao_backup LOGIN PASSWORD :'backup_password' REPLICATION;

ALTER DATABASE :"DBNAME" OWNER TO danbao_owner;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO danbao_server;
