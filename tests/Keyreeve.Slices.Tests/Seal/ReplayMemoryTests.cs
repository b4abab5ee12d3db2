using System.Globalization;
using Keyreeve.Seal;
using Keyreeve.Testing;
using Keyreeve.Wire.Seal;
using Xunit;

namespace Keyreeve.Slices.Tests.Seal;

[Proves("TS 33.434", "5.3.2")]
public sealed class ReplayMemoryTests
{
    private const long Start = 1_790_000_000;
    private static readonly SealSettings Settings = new() { SKmsUris = ["https://skm.example/"] };
    private readonly ShiftedTime _clock = new();

    public ReplayMemoryTests() => _clock.StandStill(DateTimeOffset.FromUnixTimeSeconds(Start));

    [Fact]
    public void A_request_is_new_once()
    {
        var memory = Memory();
        Assert.True(memory.FirstUse("alice", Request()));
        Assert.False(memory.FirstUse("alice", Request()));
    }

    [Fact]
    public void Each_of_the_five_values_makes_another_request_and_no_split_of_them_collides()
    {
        var memory = Memory();
        Assert.True(memory.FirstUse("alice", Request()));
        Assert.True(memory.FirstUse("bob", Request()));
        Assert.True(memory.FirstUse("alice", Request(service: "s2")));
        Assert.True(memory.FirstUse("alice", Request(value: "v2")));
        Assert.True(memory.FirstUse("alice", Request(kind: KmIdentityKind.Device)));
        Assert.True(memory.FirstUse("alice", Request(at: Start + 1)));
        Assert.True(memory.FirstUse("alice", Request(id: "r2")));
        Assert.True(memory.FirstUse("alice", Request(id: "")));
        Assert.True(memory.FirstUse("ali", Request(service: "ces")));
        Assert.True(memory.FirstUse("alices", Request(service: "vs")));
        Assert.True(memory.FirstUse("alice", Request(service: "sv", value: "vr")));
        Assert.True(memory.FirstUse("alice", Request(service: "svv", value: "r")));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(21)]
    [InlineData(22)]
    [InlineData(1000)]
    public void A_request_is_remembered_as_long_as_its_date_could_pass_wherever_in_a_generation_it_came(int wait)
    {
        var memory = Memory();
        Assert.True(memory.FirstUse("somebody", Request()));
        _clock.Advance(TimeSpan.FromSeconds(wait));
        var at = Start + wait + 5;
        Assert.True(memory.FirstUse("alice", Request(at: at)));
        for (var second = 0; second <= 10; second++)
        {
            Assert.False(memory.FirstUse("alice", Request(at: at)), second.ToString(CultureInfo.InvariantCulture));
            Assert.True(memory.FirstUse("other", Request(at: at, id: second.ToString(CultureInfo.InvariantCulture))));
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public void A_clock_that_is_set_back_forgets_nothing()
    {
        var memory = Memory();
        Assert.True(memory.FirstUse("alice", Request()));
        _clock.Advance(TimeSpan.FromSeconds(-100));
        Assert.True(memory.FirstUse("bob", Request()));
        _clock.Advance(TimeSpan.FromSeconds(100));
        Assert.False(memory.FirstUse("alice", Request()));
    }

    [Fact]
    public void A_full_memory_refuses_rather_than_forgets_and_is_empty_again_in_time()
    {
        var memory = Memory();
        var i = 0;
        while (memory.FirstUse("alice", Request(id: i.ToString(CultureInfo.InvariantCulture))))
            Assert.InRange(++i, 1, 500_000);
        Assert.Equal(500_000, i);
        Assert.False(memory.FirstUse("alice", Request(id: "0")));
        Assert.False(memory.FirstUse("bob", Request(id: "new")));
        _clock.Advance(TimeSpan.FromSeconds(22));
        Assert.True(memory.FirstUse("bob", Request(at: Start + 22)));
    }

    [Fact]
    public void What_an_earlier_process_may_have_accepted_is_refused_by_its_date()
    {
        // It was alive until Start: at most a request dated Start + 5 was accepted.
        var memory = new ReplayMemory(Settings, new PreviousLife(Start), _clock);
        for (var at = Start - 5; at <= Start + 5; at++)
            Assert.False(memory.FirstUse("alice", Request(at: at)));
        Assert.True(memory.FirstUse("alice", Request(at: Start + 6)));
        Assert.False(memory.FirstUse("alice", Request(at: Start + 6)));
    }

    [Fact]
    public void A_first_start_refuses_nothing_by_date() => Assert.True(Memory().FirstUse("alice", Request(at: 1)));

    [Fact]
    public async Task Of_many_threads_with_one_request_one_is_first()
    {
        var memory = Memory();
        for (var round = 0; round < 200; round++)
        {
            var request = Request(id: round.ToString(CultureInfo.InvariantCulture));
            using var together = new Barrier(4);
            var first = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(() =>
            {
                together.SignalAndWait();
                return memory.FirstUse("alice", request);
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
            Assert.Single(first, true);
        }
    }

    private ReplayMemory Memory() => new(Settings, new PreviousLife(0), _clock);

    private static KmRequest Request(string service = "s", KmIdentityKind kind = KmIdentityKind.User, string value = "v", long at = Start, string id = "r")
    {
        Assert.True(KmRequest.TryCreate("https://skm.example/", service, new(kind, value), at, id, out var request, out var error), error?.Reason);
        return request;
    }
}
