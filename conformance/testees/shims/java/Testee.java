// A testee of level 1: what dials is the place of your adapter (which can read JSON), `say` speaks to the suite.
import java.net.URI;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;

public class Testee implements WebSocket.Listener {
    static final Map<String, String> ENV = System.getenv();
    static final HttpClient CLIENT = HttpClient.newHttpClient();
    static final String PUBLIC = ".*(@depth|ookTicker|@rpiDepth|@trade).*"; // of usdm
    static final Pattern EVENT = Pattern.compile("\"stream\":(\"[^\"]+\").*?\"(?:u|lastUpdateId|a|t)\":(\\d+)");
    final BlockingQueue<Boolean> signs = new LinkedBlockingQueue<>(); // of life; false: the end
    final StringBuilder text = new StringBuilder();

    static void say(String method, String params) {
        System.out.println("{\"jsonrpc\":\"2.0\",\"method\":\"" + method + "\",\"params\":{" + params + "}}");
    }

    static long ms(double seconds) {
        return Math.round(seconds * 1000 * Double.parseDouble(ENV.getOrDefault("MOCKEX_TIME_SCALE", "1")));
    }

    static Void hold(String route, List<String> streams) throws InterruptedException {
        URI uri = URI.create(ENV.get("MOCKEX_WS_URL") + route + "/stream?streams=" + String.join("/", streams));
        WebSocket.Builder builder = CLIENT.newWebSocketBuilder().connectTimeout(Duration.ofMillis(ms(10)));
        for (int tries = 0; ; tries++) { // nobody else dials
            long began = System.nanoTime();
            try {
                Testee session = new Testee();
                session.stay(builder.buildAsync(uri, session).get());
            } catch (ExecutionException lost) {
                System.err.println(lost.getMessage());
            }
            if (System.nanoTime() - began > ms(10) * 1_000_000) tries = 0;
            Thread.sleep(Math.round(Math.random() * ms(Math.min(10, 0.5 * Math.pow(2, tries)))));
        }
    }

    void stay(WebSocket ws) throws InterruptedException {
        for (Boolean sign = true; sign != null && sign; ) { // the library does not tell of every FIN
            sign = signs.poll(ms(4), TimeUnit.MILLISECONDS);
            if (sign == null) ws.sendPing(ByteBuffer.allocate(0));
            if (sign == null) sign = signs.poll(ms(3), TimeUnit.MILLISECONDS);
        }
        ws.abort();
    }

    public CompletionStage<?> onText(WebSocket ws, CharSequence part, boolean last) {
        Matcher event = EVENT.matcher(text.append(part));
        if (last && event.find()) Trades.present(event.group(1), Long.parseLong(event.group(2)));
        if (last) text.setLength(0);
        return sign(ws, true);
    }

    public CompletionStage<?> onPong(WebSocket ws, ByteBuffer payload) { return sign(ws, true); }
    public CompletionStage<?> onClose(WebSocket ws, int code, String why) { return sign(ws, false); }
    public void onError(WebSocket ws, Throwable lost) { sign(ws, false); }

    CompletionStage<?> sign(WebSocket ws, boolean alive) {
        signs.add(alive);
        ws.request(1);
        return null;
    }

    public static void main(String[] arguments) throws Exception {
        say("hello", "\"protocol\":1,\"name\":\"shim-java\",\"version\":\"1.0.0\",\"supports\":[\"event\",\"gap\"]");
        Map<String, List<String>> routes = new TreeMap<>();
        for (String stream : ENV.get("MOCKEX_STREAMS").split(",")) {
            String route = "spot".equals(ENV.get("MOCKEX_PROFILE")) ? "" : stream.matches(PUBLIC) ? "/public" : "/market";
            routes.computeIfAbsent(route, any -> new ArrayList<>()).add(stream);
        }
        ExecutorService owners = Executors.newCachedThreadPool();
        routes.forEach((route, streams) -> owners.submit(() -> hold(route, streams)));
        System.in.readAllBytes(); // its end means quit
        System.exit(0);
    }
}
