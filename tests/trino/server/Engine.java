import com.google.inject.Key;
import io.trino.plugin.hive.HivePlugin;
import io.trino.plugin.iceberg.IcebergPlugin;
import io.trino.server.security.PasswordAuthenticatorManager;
import io.trino.spi.security.AccessDeniedException;
import io.trino.spi.security.BasicPrincipal;
import io.trino.testing.DistributedQueryRunner;
import io.trino.testing.TestingSession;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;

/**
 * A Trino coordinator with workers in one process, for tests.
 *
 * <p>Arguments: the folder of the tables, the number of workers, a file of further settings of the coordinator, and the
 * file to which it writes its two addresses, without and with TLS, once it answers. Its standard output is Trino's log.
 * It ends when its standard input is closed. The only password is `right`.
 */
public final class Engine {
    private Engine() {}

    public static void main(String[] arguments) throws Exception {
        Path tables = Path.of(arguments[0]);
        int workers = Integer.parseInt(arguments[1]);
        var session = TestingSession.testSessionBuilder().setCatalog("hive").setSchema("default").build();
        var builder = DistributedQueryRunner.builder(session).setWorkerCount(workers);
        builder.setCoordinatorProperties(settings(arguments[2]));
        var runner = builder.build();
        var coordinator = runner.getCoordinator();
        coordinator
                .getInstance(Key.get(PasswordAuthenticatorManager.class))
                .setAuthenticators((user, password) -> {
                    if (!password.equals("right")) {
                        throw new AccessDeniedException("wrong password");
                    }
                    return new BasicPrincipal(user);
                });
        Map<String, String> local = Map.of("fs.local.enabled", "true", "local.location", tables.toString());
        runner.installPlugin(new HivePlugin());
        runner.createCatalog("hive", "hive", with(local, Map.of(
                "hive.metastore", "file", "hive.metastore.catalog.dir", "local:///hive-metastore",
                // A file metastore does not list the projected partitions of an external table.
                "hive.ignore-absent-partitions", "true", "hive.table-statistics-enabled", "false",
                "hive.collect-column-statistics-on-write", "false")));
        runner.installPlugin(new IcebergPlugin());
        runner.createCatalog("iceberg", "iceberg", with(local, Map.of(
                "iceberg.catalog.type", "TESTING_FILE_METASTORE",
                "hive.metastore.catalog.dir", "local:///iceberg-metastore")));
        Path addresses = Path.of(arguments[3]);
        Path unfinished = addresses.resolveSibling("unfinished");
        Files.writeString(
                unfinished, coordinator.getBaseUrl().getAuthority() + "\n" + coordinator.getHttpsAddress() + "\n");
        Files.move(unfinished, addresses, StandardCopyOption.ATOMIC_MOVE);
        while (System.in.read() >= 0) {
            // Only the end of the input counts.
        }
        Runtime.getRuntime().halt(0);
    }

    private static Map<String, String> settings(String file) throws Exception {
        var properties = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(file))) {
            properties.load(reader);
        }
        var settings = new HashMap<String, String>();
        properties.stringPropertyNames().forEach(name -> settings.put(name, properties.getProperty(name)));
        return settings;
    }

    private static Map<String, String> with(Map<String, String> some, Map<String, String> more) {
        var all = new HashMap<>(some);
        all.putAll(more);
        return all;
    }
}
