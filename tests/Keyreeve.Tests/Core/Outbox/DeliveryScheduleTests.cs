using Keyreeve.Core.Keys;
using Keyreeve.Core.Outbox;
using Keyreeve.Testing;
using Xunit;

namespace Keyreeve.Tests.Core.Outbox;

public sealed class DeliveryScheduleTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 2)]
    [InlineData(3, 4)]
    [InlineData(9, 256)]
    [InlineData(10, 300)]
    [InlineData(31, 300)]
    [InlineData(int.MaxValue, 300)]
    public void The_wait_doubles_up_to_five_minutes(int attempts, int seconds)
    {
        Assert.Equal(TimeSpan.FromSeconds(seconds), DeliverySchedule.WaitAfter(attempts, null, 0));
        // Chance takes off a half at most, so that what failed together comes back apart, and never at once.
        Assert.InRange(DeliverySchedule.WaitAfter(attempts, null, 0.999_999), TimeSpan.FromSeconds(seconds / 2.0), TimeSpan.FromSeconds(seconds * 0.51));
        Assert.Equal(TimeSpan.FromSeconds(seconds * 0.75), DeliverySchedule.WaitAfter(attempts, null, 0.5));
    }

    [Fact]
    public void Retry_after_is_obeyed_when_it_is_longer_and_for_an_hour_at_most()
    {
        Assert.Equal(TimeSpan.FromSeconds(90), DeliverySchedule.WaitAfter(1, TimeSpan.FromSeconds(90), 0));
        Assert.Equal(TimeSpan.FromSeconds(300), DeliverySchedule.WaitAfter(20, TimeSpan.FromSeconds(90), 0));
        Assert.Equal(TimeSpan.FromSeconds(1), DeliverySchedule.WaitAfter(1, TimeSpan.Zero, 0));
        Assert.Equal(TimeSpan.FromHours(1), DeliverySchedule.WaitAfter(1, TimeSpan.FromDays(365), 0));
        Assert.Equal(TimeSpan.FromHours(1), DeliverySchedule.WaitAfter(1, TimeSpan.MaxValue, 0));
    }

    [Theory]
    [InlineData(200, null, DeliveryVerdict.Delivered)]
    [InlineData(202, null, DeliveryVerdict.Delivered)]
    [InlineData(204, null, DeliveryVerdict.Delivered)]
    [InlineData(301, null, DeliveryVerdict.Later)]
    [InlineData(400, null, DeliveryVerdict.Later)]
    [InlineData(400, "invalid_request", DeliveryVerdict.Refused)]
    [InlineData(401, null, DeliveryVerdict.Later)]
    [InlineData(404, null, DeliveryVerdict.Later)]
    [InlineData(410, null, DeliveryVerdict.Later)]
    [InlineData(429, null, DeliveryVerdict.Later)]
    [InlineData(500, null, DeliveryVerdict.Later)]
    [InlineData(503, "invalid_request", DeliveryVerdict.Later)]
    [InlineData(null, null, DeliveryVerdict.Later)]
    [Proves("RFC 8935", "2.3")]
    public void Only_an_answer_that_speaks_of_the_message_ends_it(int? status, string? refusal, DeliveryVerdict verdict) =>
        Assert.Equal(verdict, DeliverySchedule.Judge(new(status, status is null ? "TimedOut" : null, null, refusal)));

    [Fact]
    public void An_attempt_is_told_by_a_word_of_ours() =>
        Assert.Equal(["delivered", "status 503", "refused invalid_request", "TimedOut", "no answer"],
            new DeliveryAttempt[] { new(202, null, null, null), new(503, null, null, null), new(400, null, null, "invalid_request"), new(null, "TimedOut", null, null), new(null, null, null, null) }
                .Select(a => a.Class));

    [Fact]
    public void A_sealed_body_opens_for_its_own_message_alone()
    {
        using var kek = Kek.FromBytes(new byte[32]);
        var (one, two) = (OutboxMessage.Sealing(kek, "r", "https://r.example/", "text/plain", "secret"u8), OutboxMessage.Sealing(kek, "r", "https://r.example/", "text/plain", "secret"u8));
        Assert.NotEqual(one.Id, two.Id);
        Assert.True(kek.TryOpen(OutboxMessage.PurposeOf(one.Id), one.Body, out var opened));
        Assert.Equal("secret"u8.ToArray(), opened);
        Assert.False(kek.TryOpen(OutboxMessage.PurposeOf(two.Id), one.Body, out _));
        Assert.DoesNotContain("secret", System.Text.Encoding.Latin1.GetString(one.Body), StringComparison.Ordinal);
    }
}
