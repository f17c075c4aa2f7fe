// Writes values and headers as the tools' own serializers make them: one JSON object a line, bytes in hexadecimal.
// See README.md for how it is run.

import com.amazonaws.services.schemaregistry.common.configs.GlueSchemaRegistryConfiguration;
import com.amazonaws.services.schemaregistry.serializers.SerializationDataEncoder;
import io.apicurio.registry.serde.avro.AvroKafkaSerializer;
import java.io.ByteArrayOutputStream;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

final class Golden {
    private static final Schema SCHEMA = new Schema.Parser().parse("""
        {"type": "record", "name": "Customer", "namespace": "golden", "fields": [
        {"name": "customer_id", "type": "string"}, {"name": "tier", "type": ["null", "string"]}]}""");
    private static final UUID VERSION = UUID.fromString("b7b4a7f0-9c96-4e4a-a687-fb5de9ef0c63");
    private static final HexFormat HEX = HexFormat.of();

    public static void main(String[] arguments) throws Exception {
        apicurio(arguments[0], "apicurio", "", Map.of());
        String legacy = "io.apicurio.registry.serde.Legacy8ByteIdHandler";
        apicurio(arguments[0], "apicurio", "8 bytes, global id",
            Map.of("apicurio.registry.id-handler", legacy, "apicurio.registry.use-id", "globalId"));
        apicurio(arguments[0], "apicurio-header", "content id", Map.of("apicurio.registry.headers.enabled", "true"));
        apicurio(arguments[0], "apicurio-header", "global id",
            Map.of("apicurio.registry.headers.enabled", "true", "apicurio.registry.use-id", "globalId"));
        glue("", "NONE");
        glue("zlib", "ZLIB");
        var encoder = new BinaryMessageEncoder<GenericRecord>(GenericData.get(), SCHEMA);
        for (GenericRecord customer : customers()) {
            var value = encoder.encode(customer);
            byte[] bytes = new byte[value.remaining()];
            value.get(bytes);
            print("single-object", "apache-avro (Java)", bytes, new RecordHeaders());
        }
    }

    private static void apicurio(String url, String framing, String form, Map<String, String> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("apicurio.registry.url", url);
        settings.put("apicurio.registry.auto-register", "true");
        try (var serializer = new AvroKafkaSerializer<GenericRecord>()) {
            serializer.configure(settings, false);
            for (GenericRecord customer : customers()) {
                Headers headers = new RecordHeaders();
                byte[] value = serializer.serialize("golden", headers, customer);
                print(framing, "apicurio-registry-avro-serde-kafka" + (form.isEmpty() ? "" : ", " + form), value, headers);
            }
        }
    }

    private static void glue(String form, String compression) throws Exception {
        var settings = Map.of("region", "eu-west-1", "compression", compression);
        var encoder = new SerializationDataEncoder(new GlueSchemaRegistryConfiguration(settings));
        for (GenericRecord customer : customers()) {
            var datum = new ByteArrayOutputStream();
            var binary = EncoderFactory.get().binaryEncoder(datum, null);
            new GenericDatumWriter<GenericRecord>(SCHEMA).write(customer, binary);
            binary.flush();
            byte[] value = encoder.write(datum.toByteArray(), VERSION);
            print("glue", "schema-registry-serde" + (form.isEmpty() ? "" : ", " + form), value, new RecordHeaders());
        }
    }

    private static List<GenericRecord> customers() {
        return List.of(customer("c-1", "gold"), customer("c-2", null), customer("c-3", "silver ".repeat(40)));
    }

    private static GenericRecord customer(String id, String tier) {
        GenericRecord record = new GenericData.Record(SCHEMA);
        record.put("customer_id", id);
        record.put("tier", tier);
        return record;
    }

    private static void print(String framing, String tool, byte[] value, Headers headers) {
        String named = StreamSupport.stream(headers.spliterator(), false)
            .map(header -> "\"%s\": \"%s\"".formatted(header.key(), HEX.formatHex(header.value())))
            .collect(Collectors.joining(", "));
        System.out.println("{\"framing\": \"%s\", \"tool\": \"%s\", \"value\": \"%s\", \"headers\": {%s}}"
            .formatted(framing, tool, HEX.formatHex(value), named));
    }
}
