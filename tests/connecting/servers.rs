//! A private PostgreSQL and a private RabbitMQ with TLS listeners, whose certificates can be changed while they run.

use testkit::certificates::{Authority, Files, Issued};
use testkit::process::free_port;
use testkit::urls::{addr_of, with_path};
use testkit::{PrivateServices, TestBed};

/// PostgreSQL with TLS. Its superuser gets in without, for the test's own connections.
pub struct TlsPostgres {
    pub bed: TestBed,
    pub authority: Authority,
    pub files: Files,
    _services: PrivateServices,
}

impl TlsPostgres {
    /// With a good certificate for `localhost`.
    pub async fn start(name: &str) -> Self {
        let services = PrivateServices::start(name, &["postgres"], None).await;
        let bed = TestBed::on(&services).await;
        let (authority, files) = (Authority::new("private authority"), Files::new());
        files.write("ca.pem", &authority.pem);
        let server = Self { bed, authority, files, _services: services };
        server.present(&server.authority.server(&["localhost"])).await;
        server
    }

    /// Shows this certificate from now on.
    pub async fn present(&self, issued: &Issued) {
        self.write("server.crt", &issued.cert).await;
        self.write("server.key", &issued.key).await;
        self.write("clients.crt", &self.authority.pem).await;
        self.set("ssl_ca_file = 'clients.crt'").await;
        self.set("ssl = on").await;
        self.reload().await;
    }

    /// The line of pg_hba.conf for everybody but the superuser.
    pub async fn let_in(&self, how: &str) {
        let lines = format!("host all postgres 127.0.0.1/32 trust\n{how}\n");
        self.write("pg_hba.conf", &lines).await;
        self.reload().await;
    }

    async fn set(&self, setting: &str) {
        self.bed
            .client()
            .await
            .batch_execute(&format!("ALTER SYSTEM SET {setting}"))
            .await
            .expect("the setting is taken");
    }

    async fn reload(&self) {
        self.bed.client().await.batch_execute("SELECT pg_reload_conf()").await.expect("the settings are read");
    }

    /// The server writes it itself, in its data folder: only its own user may own a key.
    async fn write(&self, name: &str, text: &str) {
        let lines = text.trim_end().replace('\'', "''");
        let copy = format!(
            "COPY (SELECT regexp_split_to_table('{lines}', E'\\n')) TO PROGRAM 'umask 077 && cat >{name}.new && mv {name}.new {name}'"
        );
        self.bed.client().await.batch_execute(&copy).await.expect("the server writes a file");
    }

    /// The URL of this user at this host, with this query.
    pub fn url(&self, user: &str, host: &str, query: &str) -> String {
        let port = addr_of(&self.bed.database_url()).port();
        format!("postgres://{user}@{host}:{port}/{}?{query}", self.bed.name())
    }

    /// Whether the relay's connections (at least one) are encrypted.
    pub async fn relay_uses_tls(&self) -> Option<bool> {
        let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE application_name LIKE 'outbox-relay/%' AND datname = current_database()";
        self.bed.client().await.query_one(query, &[]).await.expect("connections are looked at").get(0)
    }

    /// Ends every connection of this user.
    pub async fn end_connections_of(&self, user: &str) {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1 AND pid <> pg_backend_pid()";
        self.bed.client().await.query_one(end, &[&user]).await.expect("connections are ended");
    }
}

/// RabbitMQ with a TLS listener that asks for client certificates.
pub struct TlsRabbitMq {
    pub bed: TestBed,
    pub authority: Authority,
    pub files: Files,
    pub services: PrivateServices,
    port: u16,
}

impl TlsRabbitMq {
    /// With a good certificate for `localhost`.
    pub async fn start(name: &str) -> Self {
        let (authority, files, port) = (Authority::new("private authority"), Files::new(), free_port());
        let good = authority.server(&["localhost"]);
        let config = format!(
            "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\nssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n",
            files.write("ca.pem", &authority.pem),
            files.write("server.pem", &good.cert),
            files.write("server.key", &good.key),
        );
        let client = authority.client("relay");
        files.write("client.pem", &client.cert);
        files.write("client.key", &client.key);
        let services = PrivateServices::start(name, &["rabbitmq"], Some(&config)).await;
        let bed = TestBed::on(&services).await;
        Self { bed, authority, files, services, port }
    }

    /// Shows this certificate from now on.
    pub async fn present(&self, issued: &Issued) {
        self.files.write("server.pem", &issued.cert);
        self.files.write("server.key", &issued.key);
        // Erlang keeps what it has read for two minutes.
        self.services.ctl(&["eval", "ssl:clear_pem_cache()."]).await;
    }

    /// The URL of the guest at this host.
    pub fn url(&self, host: &str) -> String {
        with_path(&format!("amqps://guest:guest@{host}:{}/", self.port), self.bed.vhost())
    }

    /// The flags with which the broker lets the relay in.
    pub fn flags(&self) -> Vec<String> {
        let flag = |flag: &str, file: &str| [flag.to_owned(), self.files.path(file)];
        [
            flag("--amqp-ca-file", "ca.pem"),
            flag("--amqp-cert-file", "client.pem"),
            flag("--amqp-key-file", "client.key"),
        ]
        .concat()
    }
}
