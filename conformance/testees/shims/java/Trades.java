import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Says events. The ids of a stream of trades have no holes: a jump is one, and is told. */
class Trades {
    static final Map<String, Long> NEWEST = new ConcurrentHashMap<>(); // ids by stream

    static void present(String stream, long id) { // the name in quotes
        Long last = NEWEST.put(stream, id);
        String of = "\"stream\":" + stream;
        if (last != null && stream.endsWith("rade\"") && id > last + 1)
            Testee.say("gap", of + ",\"after\":" + last + ",\"before\":" + id);
        Testee.say("event", of + ",\"id\":" + id);
    }
}
